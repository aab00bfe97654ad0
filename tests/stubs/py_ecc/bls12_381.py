"""The order of a curve of other chains, by which no test makes a key."""

curve_order = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
