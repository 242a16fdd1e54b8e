"""The README's picture shows what a terminal shows."""

import xml.etree.ElementTree as ET

from ways.picture import draw

SVG = "{http://www.w3.org/2000/svg}"


def test_a_picture_has_the_text_and_its_colours() -> None:
    svg = ET.fromstring(draw("plain\n\x1b[31m- <gone> & away\x1b[0m\n"))
    texts = {"".join(element.itertext()).strip("\xa0\n "): element for element in svg.iter(f"{SVG}text")}
    assert {"plain", "-\xa0<gone>\xa0&\xa0away"} <= set(texts), texts.keys()
    assert len({element.get("class") for element in texts.values()}) > 1
    # Nothing is fetched: where it is shown, it often may not be.
    assert not [element for element in svg.iter() if "href" in str(element.attrib)]
