"""Fewer bytes for images of a quality, at no more harm: tables learned, chosen, and confirmed on images kept aside."""
