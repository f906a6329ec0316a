"""Pieces of SVG, as text."""
from html import escape


def text(x, y, words, **attributes):
    """Attributes are written with _ for -."""
    told = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f'<text x="{x:g}" y="{y:g}"{told}>{escape(words)}</text>'


def line(x1, y1, x2, y2, stroke):
    return f'<line x1="{x1:.1f}" y1="{y1:g}" x2="{x2:.1f}" y2="{y2:g}" stroke="{stroke}"/>'


def path(points, stroke):
    """Through all points (x, y), with a dot at each."""
    along = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="{stroke}"/>' for x, y in points)
    return f'<polyline points="{along}" fill="none" stroke="{stroke}" stroke-width="1.3"/>{dots}'


def page(width, height, title, parts):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" font-family="sans-serif" '
            f'font-size="11">\n<title>{escape(title)}</title>\n'
            f'<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n")
