"""What suites with a value for every pixel share: sets of images with maps, views, fitting a linear head, whole images from windows."""
