"""The benchmarks of the paper: one small file each that says where its files are, what is asked, and how answers are scored."""
