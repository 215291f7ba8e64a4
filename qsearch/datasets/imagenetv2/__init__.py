"""ImageNetV2 (Recht 2019) rebuilt from the original photographs, as Li 2020 did."""
