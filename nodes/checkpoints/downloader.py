"""The process of `downloading`: fetches files of one commit, or prints in one sentence why not."""

import json
import sys

from graph.problems import sentence


def main() -> None:
    """Do what the argument says: name, commit, the cache's folder, and the files, as JSON."""
    from huggingface_hub import snapshot_download

    name, commit, cache, files = json.loads(sys.argv[1])
    try:
        snapshot_download(name, revision=commit, cache_dir=cache, allow_patterns=files)
    except Exception as error:  # of the HTTP library, or a full disk
        print(sentence(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
