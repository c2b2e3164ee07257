// The report's own script: players of the meshes, and test views under a slider.
"use strict";

const runs = JSON.parse(document.getElementById("runs").textContent);

async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

class Player {
  constructor(place, view, file) {
    this.view = view;
    this.renderer = new THREE.WebGLRenderer({ antialias: true, alpha: true });
    this.renderer.outputEncoding = THREE.sRGBEncoding;
    this.renderer.setPixelRatio(Math.min(window.devicePixelRatio, 2));
    place.append(this.renderer.domElement);
    this.place = place;
    this.scene = new THREE.Scene();
    this.scene.add(file.scene);
    this.mixer = new THREE.AnimationMixer(file.scene);
    this.clip = file.animations[0];
    this.mixer.clipAction(this.clip).play();
    file.scene.traverse((node) => this.finish(node));
    this.camera = new THREE.PerspectiveCamera(view.fov, 1, 0.01, 1000);
    this.controls = new THREE.TrackballControls(this.camera, this.renderer.domElement);
    this.controls.staticMoving = true;
    this.controls.rotateSpeed = 3;
    this.controls.keys = [];
    this.lookAtAll(file.scene);
    this.controls.addEventListener("change", () => this.draw());
    this.resize();
    new ResizeObserver(() => this.resize()).observe(place);
  }

  // Colours are those of the field, as cameras saw them: without lamps, only a little darker where the surface turns away.
  finish(node) {
    if (!node.isMesh) return;
    if (!node.geometry.attributes.normal) node.geometry.computeVertexNormals();
    node.frustumCulled = false;
    node.material = new THREE.MeshBasicMaterial({ vertexColors: true, side: THREE.DoubleSide });
    node.material.onBeforeCompile = (shader) => {
      shader.vertexShader = shader.vertexShader
        .replace("void main() {", "varying float facing;\nvoid main() {")
        .replace("#include <project_vertex>", `#include <project_vertex>
          facing = abs(dot(normalize(normalMatrix * normal), normalize(mvPosition.xyz)));`);
      shader.fragmentShader = shader.fragmentShader
        .replace("void main() {", "varying float facing;\nvoid main() {")
        .replace("#include <color_fragment>", `#include <color_fragment>
          diffuseColor.rgb *= 0.6 + 0.4 * facing;`);
      if (this.view.basis) this.colourByView(shader);
    };
  }

  // The colour of a vertex is the sigmoid of k_0 + sum_n k_n H_n(d), H_n from tables over the direction of view d (NeX).
  colourByView(shader) {
    const { scales, width, height, tables } = this.view.basis;
    this.tables ??= tables.map((text) => {
      const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
      const halves = new Uint16Array(bytes.buffer);
      const table = new THREE.DataTexture(halves, width, height, THREE.RGBAFormat, THREE.HalfFloatType);
      [table.wrapS, table.magFilter, table.minFilter] = [THREE.RepeatWrapping, THREE.LinearFilter, THREE.LinearFilter];
      table.needsUpdate = true;
      return table;
    });
    shader.uniforms.tables = { value: this.tables };
    shader.uniforms.scales = { value: scales };
    const k = (n) => `scales[${n}] * (2.0 * _k${n}.rgb - 1.0)`;
    const terms = scales.slice(1).map((_, n) => `${k(n + 1)} * h${Math.floor(n / 4)}[${n % 4}]`);
    const toLight = "mix(seen / 12.92, pow((seen + 0.055) / 1.055, vec3(2.4)), step(0.04045, seen))"; // IEC 61966-2-1
    shader.vertexShader = shader.vertexShader
      .replace("void main() {", `uniform sampler2D tables[${tables.length}];
        uniform float scales[${scales.length}];
        ${scales.map((_, n) => `attribute vec4 _k${n};`).join(" ")}
        varying vec3 seen;
        void main() {`)
      .replace("#include <project_vertex>", `#include <project_vertex>
        vec3 d = normalize(transpose(mat3(viewMatrix)) * mvPosition.xyz);
        vec2 place = vec2(atan(d.z, d.x) / 6.2831853 + 0.5, acos(clamp(d.y, -1.0, 1.0)) / 3.1415927);
        ${tables.map((_, n) => `vec4 h${n} = texture2D(tables[${n}], place);`).join(" ")}
        seen = 1.0 / (1.0 + exp(-(${[k(0), ...terms].join(" + ")})));
        seen = ${toLight};`);
    shader.fragmentShader = shader.fragmentShader
      .replace("void main() {", "varying vec3 seen;\nvoid main() {")
      .replace("diffuseColor.rgb *=", "diffuseColor.rgb = seen;\ndiffuseColor.rgb *=");
  }

  // As the first training camera does, from where the box of all frames fits into a square picture.
  lookAtAll(root) {
    const box = new THREE.Box3();
    root.traverse((node) => {
      if (!node.isMesh) return;
      node.geometry.computeBoundingBox();
      box.union(node.geometry.boundingBox);
    });
    const { center, radius } = box.getBoundingSphere(new THREE.Sphere());
    const forward = new THREE.Vector3().fromArray(this.view.forward);
    const up = new THREE.Vector3().fromArray(this.view.up);
    const right = new THREE.Vector3().crossVectors(forward, up);
    const slope = Math.tan((Math.PI * this.view.fov) / 360) / 1.1;
    let distance = 0;
    for (const x of [box.min.x, box.max.x]) for (const y of [box.min.y, box.max.y]) for (const z of [box.min.z, box.max.z]) {
      const corner = new THREE.Vector3(x, y, z).sub(center);
      const aside = Math.max(Math.abs(corner.dot(up)), Math.abs(corner.dot(right)));
      distance = Math.max(distance, aside / slope - corner.dot(forward));
    }
    this.camera.up.copy(up);
    this.camera.position.copy(center).addScaledVector(forward, -distance);
    this.camera.near = 0.01 * radius;
    this.camera.far = 100 * radius;
    this.controls.target.copy(center);
    this.controls.update();
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.place;
    this.renderer.setSize(width, height);
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
    this.controls.handleResize();
    this.draw();
  }

  // The animation at a share of its length; a little later, as key times are rounded, and before its end.
  show(share) {
    this.mixer.setTime(Math.min(share + 1e-5, 0.99999) * this.clip.duration);
    this.draw();
  }

  draw() {
    this.renderer.render(this.scene, this.camera);
  }
}

const SHORTEST = 2; // seconds that all frames take at least, where the sequence itself is shorter
const play = document.getElementById("play");
const moment = document.getElementById("moment");
const frame = document.getElementById("frame");
let players = [];
let playing = true;

// The place among the frames of the first run, each of which begins at a share of the animation.
function placeOf(share) {
  return Math.max(0, players[0].view.starts.filter((start) => start <= share + 1e-6).length - 1);
}

function showMoment(share) {
  moment.value = share;
  frame.textContent = `frame ${players[0].view.frames[placeOf(share)]}`;
  for (const player of players) player.show(share);
}

function setPlaying(value) {
  playing = value;
  play.textContent = playing ? "Pause" : "Play";
}

function step(count) {
  const starts = players[0].view.starts;
  setPlaying(false);
  showMoment(starts[(placeOf(Number(moment.value)) + count + starts.length) % starts.length]);
}

async function startPlayers() {
  const shown = runs.filter((run) => run.meshes);
  const places = document.querySelectorAll(".player");
  const loader = new THREE.GLTFLoader();
  for (const [index, run] of shown.entries()) {
    const content = await unpacked(run.meshes);
    const file = await new Promise((done, failed) => loader.parse(content, "", done, failed));
    players.push(new Player(places[index], run.view, file));
  }
  window.players = players;
  if (players.length === 0) {
    document.getElementById("meshes").querySelector(".controls").remove();
    return;
  }
  play.addEventListener("click", () => setPlaying(!playing));
  moment.addEventListener("input", () => {
    setPlaying(false);
    showMoment(Number(moment.value));
  });
  window.addEventListener("keydown", (event) => {
    if (event.target.matches("input, button, video, summary")) return;
    const actions = { " ": () => setPlaying(!playing), ArrowLeft: () => step(-1), ArrowRight: () => step(1) };
    if (!(event.key in actions)) return;
    event.preventDefault();
    actions[event.key]();
  });
  let last = performance.now();
  function tick(now) {
    const seconds = Math.min((now - last) / 1000, 0.25);
    last = now;
    if (playing) showMoment((Number(moment.value) + seconds / Math.max(players[0].clip.duration, SHORTEST)) % 1);
    for (const player of players) player.controls.update();
    requestAnimationFrame(tick);
  }
  showMoment(0);
  requestAnimationFrame(tick);
}

function startViews() {
  const slider = document.getElementById("view");
  const cells = document.querySelectorAll("#views .run");
  function show() {
    for (const [index, run] of runs.entries()) {
      if (run.views.length === 0) continue;
      const view = run.views[Math.min(Number(slider.value), run.views.length - 1)];
      cells[index].querySelector(".title").textContent = view.title;
      for (const picture of cells[index].querySelectorAll("img")) picture.src = view.pictures[picture.dataset.shows];
    }
  }
  slider.addEventListener("input", show);
  show();
}

startViews();
startPlayers();
