"""What the machine has: memory, devices that llama.cpp can use, threads, disk. Knows no model.

`probe` asks this machine, `imagined` makes up another one. Sizes are in bytes.
"""

from m3studio.hardware.machine import Device, Hardware, Kind, imagined
from m3studio.hardware.probe import disk_free, measure_bandwidth, probe

__all__ = ["Device", "Hardware", "Kind", "disk_free", "imagined", "measure_bandwidth", "probe"]
