package lab

import "strconv"

func portText(h *Host) string { return strconv.Itoa(h.Port()) }
