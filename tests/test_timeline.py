"""Frames and times: one is the other's inverse, for every length of sequence."""

import pytest
import torch

from resfields_ns.timeline import (
    chunks_and_times,
    first_frame,
    frame_positions,
    frames_from_times,
    join_frames,
    neighbouring_frames,
    network_times,
    parse_frames,
    split_frames,
    times_from_frames,
)

_LENGTHS = range(1, 501)
_LONG = (1_601, 5_000, 20_000, 99_999)


def test_frames_come_back_from_their_times() -> None:
    for num_frames in _LENGTHS:
        frames = torch.arange(num_frames)
        assert torch.equal(frames_from_times(times_from_frames(frames, num_frames), num_frames), frames)
        between = 0.7 * frames
        torch.testing.assert_close(frame_positions(times_from_frames(between, num_frames), num_frames), between)


def test_times_span_the_unit_interval() -> None:
    for num_frames in _LENGTHS[1:]:
        times = times_from_frames(torch.arange(num_frames), num_frames)
        assert [times[0].item(), times[-1].item()] == [0.0, 1.0]
        assert (times.diff() > 0.0).all()
        assert times[1].item() == pytest.approx(1.0 / (num_frames - 1), rel=1e-6)


def test_a_sequence_of_one_frame_stands_at_zero() -> None:
    assert times_from_frames(torch.zeros(3, dtype=torch.long), 1).tolist() == [0.0] * 3
    assert frames_from_times(torch.tensor([0.0, 0.5, 1.0]), 1).tolist() == [0] * 3


def test_a_time_belongs_to_the_nearest_frame() -> None:
    times = torch.linspace(0.0, 1.0, 997)
    for num_frames in (1, 2, 3, 17, 50):
        distance = (times[:, None] - times_from_frames(torch.arange(num_frames), num_frames)).abs()
        found = distance.gather(1, frames_from_times(times, num_frames)[:, None])
        assert (found <= distance.amin(dim=1, keepdim=True) + 1e-6).all()


def test_times_beyond_the_sequence_belong_to_its_ends() -> None:
    outside = torch.tensor([-0.7, 1.7])
    assert frames_from_times(outside, 5).tolist() == [0, 4]
    assert [frames.tolist() for frames in neighbouring_frames(outside, 5)] == [[0, 4], [0, 4]]


def test_a_frame_is_its_own_neighbour() -> None:
    for num_frames in (*_LENGTHS, *_LONG):
        frames = torch.arange(num_frames)
        divided_in_float64 = torch.tensor([frame / max(num_frames - 1, 1) for frame in range(num_frames)])
        for times in (times_from_frames(frames, num_frames), divided_in_float64):
            for neighbours in neighbouring_frames(times, num_frames):
                assert torch.equal(neighbours, frames)


@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
def test_between_frames_both_are_neighbours(share: float) -> None:
    for num_frames in _LENGTHS[1:]:
        frames = torch.arange(num_frames - 1)
        before, after = neighbouring_frames((frames + share) / (num_frames - 1), num_frames)
        assert torch.equal(before, frames)
        assert torch.equal(after, frames + 1)


def test_networks_see_times_from_minus_one_to_one() -> None:
    assert network_times(torch.tensor([0.0, 0.25, 0.5, 1.0])).tolist() == [-1.0, -0.5, 0.0, 1.0]


def test_frames_of_chunks_are_frames_of_the_whole() -> None:
    for sizes in ((2, 2), (50, 3, 100), (2,) * 300, (333, 333, 334)):
        whole = torch.arange(sum(sizes))
        chunks, times = chunks_and_times(times_from_frames(whole, sum(sizes)), sizes)
        assert chunks.tolist() == [chunk for chunk, size in enumerate(sizes) for _ in range(size)]
        assert torch.equal(times, torch.cat([times_from_frames(torch.arange(size), size) for size in sizes]))


def test_between_chunks_the_nearer_frame_counts() -> None:
    positions = torch.tensor([0.5, 1.4, 1.6, 2.5, 3.5, 4.5])
    chunks, times = chunks_and_times(positions / 5, (2, 4))
    assert chunks.tolist() == [0, 0, 1, 1, 1, 1]
    torch.testing.assert_close(times, torch.tensor([0.5, 1.0, 0.0, 0.5 / 3, 1.5 / 3, 2.5 / 3]))


@pytest.mark.parametrize("spec", ["::", "3:20", "3:20:4", "1::2"])
@pytest.mark.parametrize("chunks", [1, 2, 3])
def test_chunks_of_frames_are_joined_again(spec: str, chunks: int) -> None:
    frames = parse_frames(spec, 21)
    specs = split_frames(spec, len(frames), chunks)
    assert [frame for chunk in specs for frame in parse_frames(chunk, 21)] == frames
    assert parse_frames(join_frames(specs), 21) == frames
    assert [first_frame(chunk) for chunk in specs] == sorted(first_frame(chunk) for chunk in specs)
