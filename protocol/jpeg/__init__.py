"""JPEG as it comes (ITU-T T.81): sequential Huffman pictures of 8 bits, their lightness alone, made small while decoding.

`decoder.Decoder` is fed with bytes in pieces of any size and hands rows of grey values to a consumer; it holds one row of blocks and
at most `decoder.BUFFER` bytes of the file. `headers` reads tables and frame (annex B), `blocks` the entropy-coded data (annex F.2),
`inverse` computes the reduced inverse transform (A.3.3). Decoded: SOF0 and SOF1, one or three components (YCbCr), any sampling whose
lightness is not itself subsampled, one interleaved scan or a first scan of lightness alone, restart intervals.

Errors (raised)
    FMT-090  the bytes are no JPEG picture, or a broken one
    FMT-091  a kind of JPEG that is not decoded here: progressive, lossless, arithmetic, 12 bits, RGB, CMYK, or too large
"""

from protocol.errors import FormatError


class PictureError(FormatError):
    """The bytes are no JPEG picture, or a broken one; `detail` names the part."""

    code = "FMT-090"


class UnsupportedPicture(PictureError):
    """A kind of JPEG that is not decoded here; `detail` names it."""

    code = "FMT-091"
