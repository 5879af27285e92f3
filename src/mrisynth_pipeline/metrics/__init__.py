"""How results are measured: image and segmentation metrics, and the statistics over them."""
