"""What reads the devices: adapters of the port `readings.DeviceProbe`.

    detect.py        which of them this machine needs
    cpu.py           the machine's memory, where there is no GPU
    nvml.py          NVIDIA's GPUs: keeps a child process that asks the driver, and kills it when it hangs
    nvml_child.py    that child, the one module that imports pynvml
    survey.py        what it does in a poll, with gpu.py and part.py
    wire.py          what it writes, line by line
    child.py         a process that is ended when it falls silent
    board.py         what is known of every GPU that was ever seen
    health.py        which of that is trouble, in words

The child is a process of its own because a lost GPU can hang or crash whoever asks for it, and because the driver's
library, once loaded, does not outlive an upgrade of the driver.
"""
