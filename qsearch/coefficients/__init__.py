"""JPEG in the coefficient domain: DCT coefficients kept, sizes and pixels computed from them exactly as by libjpeg."""
