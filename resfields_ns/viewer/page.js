// Runs on every page of the viewer: keys that choose and play frames, shapes that play, cameras of the shown frame.
// `viewer` is viser's own; `panel` tells the ids of elements of the panel, and names of what is in the scene.
(viewer, panel) => {
  const RESTS_AFTER = 200; // ms without a move
  const COUNTED_FOR = 2000; // ms over which frames a second are counted
  const TOLD_EVERY = 100; // ms between changes of the panel while shapes play

  const value = (id) => viewer.useGui.getState().guiConfigFromId[id].value;
  const update = (id, props) => viewer.useGui.getState().updateGuiProps(id, props);

  // As if somebody had used the element.
  const setValue = (id, value) => {
    update(id, { value });
    viewer.sendMessageRef.current({ type: "GuiUpdateMessage", id, updates: { value } });
  };

  const step = (frames) => {
    const frame = value(panel.frame) + frames;
    const count = panel.num_frames;
    setValue(panel.frame, value(panel.loop) ? (frame + count) % count : Math.min(Math.max(frame, 0), count - 1));
  };

  // Elements that need a key themselves keep it.
  const keys = {
    " ": ["input, textarea, button", () => setValue(panel.play, !value(panel.play))],
    ArrowLeft: ["input:not([type=checkbox]), textarea, [role=slider]", () => step(-1)],
    ArrowRight: ["input:not([type=checkbox]), textarea, [role=slider]", () => step(1)],
  };

  const onKey = (event) => {
    const [keepers, act] = keys[event.key] ?? [];
    if (!act || event.ctrlKey || event.altKey || event.metaKey || event.target.closest?.(keepers)) return;
    event.preventDefault();
    event.stopImmediatePropagation(); // viser turns the camera by arrows
    act();
  };

  // Time: of the panel's slider, or of this page while shapes play.
  let position = 0;
  let wasPlaying = false;
  let lastTick = performance.now();
  let lastTold = 0;
  let changes = []; // when another shape was shown
  const playShapes = (now) => {
    if (!wasPlaying) [position, changes] = [value(panel.frame), []];
    const before = Math.floor(position);
    position += ((now - lastTick) / 1000) * (value(panel.frames_per_second) / value(panel.slow_motion));
    if (position >= panel.num_frames) {
      if (value(panel.loop)) position %= panel.num_frames;
      else {
        position = panel.num_frames - 1;
        setValue(panel.play, false);
      }
    }
    if (Math.floor(position) !== before) changes.push(now);
    changes = changes.filter((time) => time > now - COUNTED_FOR);
    if (now - lastTold > TOLD_EVERY) {
      lastTold = now;
      update(panel.frame, { value: Math.floor(position) });
      const seconds = (now - changes[0]) / 1000;
      const rate = seconds > 0.5 ? (changes.length - 1) / seconds : null;
      if (rate !== null) update(panel.reached, { markdown: `Reaches ${rate.toFixed(1)} frames a second` });
    }
  };

  let lastMove = 0;
  let lastView = "";
  const hasMoved = (now) => {
    const view = viewer.cameraRef.current.matrixWorld.elements.join();
    if (view !== lastView) [lastView, lastMove] = [view, now];
    return now - lastMove < RESTS_AFTER;
  };

  // Shapes while something moves, and until the picture of the field has come.
  const showShape = (frames, frame, moves) => {
    const picture = viewer.backgroundMaterialRef.current.uniforms.enabled;
    if (frames.length > 0 && moves) picture.value = false;
    const behind = frames.length > 0 && !picture.value;
    viewer.canvasRef.current.style.background = behind ? panel.background : "";
    const shown = behind ? frames.findLast((other) => other <= frame) ?? frames[0] : null;
    for (const other of panel.shape_frames) {
      const attributes = viewer.nodeAttributesFromName.current[panel.shape_names[other]];
      if (attributes) attributes.visibility = other === shown;
    }
    if (shown === null) return;
    viewer.nodeRefFromName.current[panel.shape_names[shown]]?.traverse((part) => {
      if (part.material) part.material.toneMapped = false; // colours as in pictures
    });
  };

  // A camera's picture of the shown frame, or its last one before; none of a camera that the page looks through.
  const showCameras = (frame) => {
    const eye = viewer.cameraRef.current.position;
    for (const images of panel.cameras) {
      const shown = (images.findLast((image) => image.frame <= frame) ?? images[0]).name;
      for (const { name } of images) {
        const attributes = viewer.nodeAttributesFromName.current[name];
        const node = viewer.nodeRefFromName.current[name];
        if (!attributes || !node) continue;
        const apex = node.getWorldPosition(eye.clone());
        const isSeenThrough = apex.distanceTo(eye) < panel.camera_size;
        attributes.overrideVisibility = name === shown && !isSeenThrough ? undefined : false;
      }
    }
  };

  let stopped = false;
  const tick = (now) => {
    if (stopped) return;
    requestAnimationFrame(tick);
    if (!viewer.useGui.getState().guiConfigFromId[panel.reached] || !viewer.cameraRef.current) return;
    const nodes = viewer.useSceneTree.getState().nodeFromName;
    const inBrowser = panel.in_browser !== null && value(panel.in_browser);
    const frames = inBrowser ? panel.shape_frames.filter((frame) => panel.shape_names[frame] in nodes) : [];
    const plays = value(panel.play) && frames.length > 0;
    if (plays) playShapes(now);
    else if (wasPlaying) setValue(panel.frame, Math.floor(position));
    [wasPlaying, lastTick] = [plays, now];
    const frame = plays ? Math.floor(position) : value(panel.frame);
    showShape(frames, frame, hasMoved(now) || plays);
    showCameras(frame);
  };

  window.stopResFields?.(); // of an earlier connection
  window.stopResFields = () => {
    stopped = true;
    window.removeEventListener("keydown", onKey, true);
  };
  window.addEventListener("keydown", onKey, true);
  requestAnimationFrame(tick);
}
