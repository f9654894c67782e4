"""How many classes and steps, and which sizes of images, the library's attacks need, and what is done without."""

from __future__ import annotations

from bench import UsageError


def possible(
    names: tuple[str, ...], classes: int, norm: str, size: tuple[int, int]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The attacks that so many classes and images of this (H, W) allow, in order, and what was changed for it."""
    left, remarks = list(names), []
    if classes < 4 and "apgd-t" in left:
        left = ["apgd-dlr" if name == "apgd-t" else name for name in left]
        remarks.append(f"apgd-t needs 4 classes and there are {classes}: apgd-dlr runs instead")
    if classes < 3 and "apgd-dlr" in left:
        left = [name for name in left if name != "apgd-dlr"]
        remarks = [f"the DLR loss needs 3 classes and there are {classes}: apgd-t and apgd-dlr are left out"]
    misfit = square_misfit(norm, size)
    if misfit and "square" in left:
        left.remove("square")
        remarks.append(f"{misfit}: left out")
    return tuple(dict.fromkeys(left)), tuple(remarks)


def square_misfit(norm: str, size: tuple[int, int]) -> str | None:
    """Why the library's Square cannot run on images of this (H, W); None where it can.

    Except in linf it starts from tiles as wide as a fifth of the height, which fails where one reaches over the edge.
    """
    height, width = size
    tile = height // 5
    if norm == "linf":
        return None
    if tile == 0:
        return f"square in {norm} needs images 5 pixels high and these have {height}"
    margin = height % 5 // 2
    if tile == 1 or width < tile or all(margin + side // tile * tile <= side for side in size):
        return None
    return f"square in {norm} starts from tiles of {tile}x{tile} pixels, which do not fit images of {height}x{width}"


def check_steps(norm: str, steps: int) -> None:
    """Raise `UsageError` where APGD cannot cut so many steps into the three stages that it has in l1."""
    if norm == "l1" and steps < 2:
        raise UsageError(f"In l1 n_iter must be at least 2, for APGD shrinks its budget in stages; got {steps}.")
