package lab

import (
	"strconv"
	"strings"
)

// parseMode reads an octal or symbolic mode that is applied to old. umask counts where a symbolic mode names nobody.
func parseMode(text string, old, umask Mode, isDir bool) (Mode, bool) {
	if text == "" {
		return 0, false
	}
	if text[0] >= '0' && text[0] <= '9' {
		n, err := strconv.ParseUint(text, 8, 32)
		if err != nil || n > 0o7777 {
			return 0, false
		}
		mode := Mode(n)
		if isDir && len(text) < 5 { // the set-id bits of a directory stay unless they are named
			mode |= old & (SetUID | SetGID)
		}
		return mode, true
	}
	mode := old & PermMask
	for clause := range strings.SplitSeq(text, ",") {
		var ok bool
		if mode, ok = applyClause(clause, mode, umask, isDir); !ok {
			return 0, false
		}
	}
	return mode, true
}

// applyClause applies one clause such as u+rwx or go-w or a=rX.
func applyClause(clause string, mode, umask Mode, isDir bool) (Mode, bool) {
	i := 0
	var who Mode
	for ; i < len(clause); i++ {
		switch clause[i] {
		case 'u':
			who |= SetUID | 0o700
		case 'g':
			who |= SetGID | 0o070
		case 'o':
			who |= Sticky | 0o007
		case 'a':
			who |= PermMask
		default:
			goto operators
		}
	}
operators:
	masked := ^Mode(0)
	if who == 0 {
		who, masked = PermMask, ^umask
	}
	if i == len(clause) {
		return 0, false
	}
	for i < len(clause) {
		op := clause[i]
		if strings.IndexByte("+-=", op) < 0 {
			return 0, false
		}
		i++
		bits, next, ok := permissionBits(clause, i, mode, isDir)
		if !ok {
			return 0, false
		}
		i = next
		bits &= who & masked
		switch op {
		case '+':
			mode |= bits
		case '-':
			mode &^= bits
		default:
			clearing := who & 0o777
			if !isDir || bits&(SetUID|SetGID) != 0 {
				clearing = who
			}
			mode = mode&^clearing | bits
		}
	}
	return mode, true
}

func permissionBits(clause string, i int, mode Mode, isDir bool) (bits Mode, next int, ok bool) {
	for ; i < len(clause); i++ {
		switch clause[i] {
		case 'r':
			bits |= 0o444
		case 'w':
			bits |= 0o222
		case 'x':
			bits |= 0o111
		case 'X':
			if isDir || mode&0o111 != 0 {
				bits |= 0o111
			}
		case 's':
			bits |= SetUID | SetGID
		case 't':
			bits |= Sticky
		case 'u':
			bits |= (mode >> 6 & 7) * 0o111
		case 'g':
			bits |= (mode >> 3 & 7) * 0o111
		case 'o':
			bits |= (mode & 7) * 0o111
		case '+', '-', '=':
			return bits, i, true
		default:
			return 0, i, false
		}
	}
	return bits, i, true
}
