"""Files of data sets on the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from bench.domain.errors import DataError


def hub_file(title: str, repository: str, file: str) -> Path:
    """A file of a data set's repository, from the hub's cache where it is there: these files never change, and no
    network need be waited for. Raises `DataError` where it cannot be fetched."""
    import huggingface_hub

    cached = huggingface_hub.try_to_load_from_cache(repository, file, repo_type="dataset")
    if isinstance(cached, str):
        return Path(cached)
    try:
        return Path(huggingface_hub.hf_hub_download(repository, file, repo_type="dataset"))
    except Exception as error:  # Without a network its client fails in too many ways to name them.
        reason = str(error).strip().partition(". ")[0].partition("\n")[0].rstrip(".")
        raise DataError(
            f"{title} could not be fetched from the hub ({repository}): {reason}. "
            "Fetch it elsewhere and give its folder with --data-dir."
        ) from error
