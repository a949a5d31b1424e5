"""A technique whose module imports a heavy package with itself."""

import torch

from fairmend.plugins.preprocessing import InstanceWeighting


class HeavyImport(InstanceWeighting):
    __doc__ = InstanceWeighting.__doc__
    threads = torch.get_num_threads
