"""Every benchmark, one table after the other: `python -m tests.benchmarks` (`make bench`)."""

import platform

import torch

from tests.benchmarks import bench_engine, bench_memory, bench_networks


def main() -> None:
    """Say what machine this is, then measure."""
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, ", end="")
    print(f"{torch.get_num_threads()} threads\n")
    bench_engine.main([])
    print()
    bench_networks.main([])
    print()
    bench_memory.main([])


if __name__ == "__main__":
    main()
