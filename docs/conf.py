"""How Sphinx builds the documentation: ``hatch run docs:build``."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))

project = "evolvent"
author = "The evolvent authors"
copyright = "The evolvent authors"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "demo_picture",
    "methods_table",
]
exclude_patterns = ["_build", "_extensions", "_static"]
nitpicky = False  # annotations name array types that have no page

# A single backtick in a docstring names something of ours.
default_role = "py:obj"
add_module_names = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
# Fields of dataclasses are described once, under Parameters or Attributes.
napoleon_use_ivar = True
napoleon_google_docstring = False

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

html_theme = "alabaster"
html_title = "evolvent"
html_static_path = ["_static"]
html_theme_options = {
    "description": "Scientific machine learning for every Python array",
    "page_width": "1080px",
    "sidebar_width": "240px",
    "body_max_width": "none",
    "fixed_sidebar": True,
    "font_family": "Georgia, 'Times New Roman', serif",
    "head_font_family": "Georgia, 'Times New Roman', serif",
    "font_size": "16px",
    "link": "#2f5d7c",
    "link_hover": "#c0762b",
}
html_sidebars = {"**": ["about.html", "searchfield.html", "navigation.html"]}
