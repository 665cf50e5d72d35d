"""What microscope took a movie: camera, background, point spread function and emitters, estimated from its pixels."""
