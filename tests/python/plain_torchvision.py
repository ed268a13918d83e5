"""torchvision for tests, also where its compiled operators do not fit this
torch: its data sets and its geometry are plain Python."""
import sys

OPERATORS = ("nms", "qnms", "roi_align", "_roi_align_backward", "ps_roi_align",
             "_ps_roi_align_backward", "roi_pool", "_roi_pool_backward", "ps_roi_pool",
             "_ps_roi_pool_backward", "qroi_align", "deform_conv2d",
             "_deform_conv2d_backward")
kept = []


def load():
    """The module torchvision, or None where it cannot be had."""
    try:
        import torchvision
        return torchvision
    except ImportError:
        return None
    except (RuntimeError, OSError):
        pass
    import torch
    # The operators are declared for their names only; nothing calls them.
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in OPERATORS:
        library.define(f"{name}(Tensor x) -> Tensor")
    kept.append(library)
    for name in [n for n in sys.modules if n.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    try:
        import torchvision
        return torchvision
    except Exception:
        return None
