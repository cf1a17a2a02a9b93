//! Pages and pictures: values in, HTML and SVG out.
