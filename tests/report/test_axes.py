"""What all figures share: a subtitle that can be read whole, however much it has to say."""

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg

from qsearch.report.axes import new_figure

SHORT = "600 images 128x128 of textures:search, textures-cnn, pillow 4:2:0"
LONG = f"{SHORT}, optimize, progressive, agreement with the network's answer on the uncompressed image"


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("subtitle", ["", SHORT, LONG, f"{LONG}; {LONG}"])
def test_the_subtitle_is_whole_and_covers_nothing(subtitle: str, columns: int) -> None:
    figure, axes = new_figure("A title", subtitle, columns=columns)
    renderer: RendererAgg = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    figure.draw(renderer)
    (text,) = figure.texts[1:]
    box, page = text.get_window_extent(renderer), figure.bbox
    assert text.get_text().replace("\n", " ") == subtitle
    assert box.x1 <= page.x1
    assert all(box.y0 >= each.get_window_extent(renderer).y1 for each in axes)
