"""Whether to believe a licence's data: certificates, the security object, signatures, anchors, passive authentication."""
