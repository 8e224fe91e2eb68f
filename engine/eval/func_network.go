package eval

import (
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

var networkFunctions = []entry{
	{"cidrhost(prefix, number)", "The address with a number in a network; a negative number counts from its end.", always(cidrhostFunc)},
	{"cidrnetmask(prefix)", "The net mask of an IPv4 network.", always(textTo(netmask))},
	{"cidrsubnet(prefix, newbits, number)", "The subnet with a number in a network, whose prefix is some bits longer.", always(cidrsubnetFunc)},
	{"cidrsubnets(prefix, newbits...)", "Subnets one after the other, whose prefixes are some bits longer.", always(cidrsubnetsFunc)},
}

// network reads a prefix such as 10.0.0.0/16; bits of the host part are cut off.
func network(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, errors.New("this is no network such as 10.0.0.0/16")
	}
	return p.Masked(), nil
}

// offset is the address n behind the beginning of a network; false where that is not inside.
func offset(p netip.Prefix, n *big.Int) (netip.Addr, bool) {
	sum := new(big.Int).SetBytes(p.Addr().AsSlice())
	sum.Add(sum, n)
	width := p.Addr().BitLen() / 8
	if n.Sign() < 0 || len(sum.Bytes()) > width {
		return netip.Addr{}, false
	}
	addr, ok := netip.AddrFromSlice(sum.FillBytes(make([]byte, width)))
	return addr, ok && p.Contains(addr)
}

// whole reads a whole number that is not null.
func whole(v cty.Value) (*big.Int, error) {
	n, accuracy := v.AsBigFloat().Int(nil)
	if accuracy != big.Exact || n == nil {
		return nil, errors.New("a whole number is needed")
	}
	return n, nil
}

func netmask(text string) (string, error) {
	p, err := network(text)
	if err != nil {
		return "", err
	}
	if !p.Addr().Is4() {
		return "", errors.New("only IPv4 has net masks")
	}
	return net.IP(net.CIDRMask(p.Bits(), 32)).String(), nil
}

var cidrhostFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "prefix", Type: cty.String}, {Name: "number", Type: cty.Number}},
	Type:   function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		p, err := network(args[0].AsString())
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		n, err := whole(args[1])
		if err != nil {
			return cty.NilVal, function.NewArgError(1, err)
		}
		if n.Sign() < 0 {
			size := new(big.Int).Lsh(big.NewInt(1), uint(p.Addr().BitLen()-p.Bits()))
			n.Add(n, size)
		}
		addr, ok := offset(p, n)
		if !ok {
			return cty.NilVal, function.NewArgErrorf(1, "the network has no address with this number")
		}
		return cty.StringVal(addr.String()), nil
	},
})

// subnet is the network number n of those in p whose prefix is bits longer.
func subnet(p netip.Prefix, bits int, n *big.Int) (netip.Prefix, error) {
	length := p.Bits() + bits
	if bits < 0 || length > p.Addr().BitLen() {
		return p, fmt.Errorf("a prefix of %d bits cannot be made longer by %d", p.Bits(), bits)
	}
	shifted := new(big.Int).Lsh(n, uint(p.Addr().BitLen()-length))
	addr, ok := offset(p, shifted)
	if !ok {
		return p, errors.New("the network has no subnet with this number")
	}
	return netip.PrefixFrom(addr, length), nil
}

// bitCount reads how many bits a prefix is made longer by.
func bitCount(v cty.Value) (int, error) {
	n, err := whole(v)
	if err != nil {
		return 0, err
	}
	if !n.IsInt64() || n.Int64() < 0 || n.Int64() > 128 {
		return 0, errors.New("a number of bits is needed")
	}
	return int(n.Int64()), nil
}

var cidrsubnetFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "prefix", Type: cty.String}, {Name: "newbits", Type: cty.Number}, {Name: "number", Type: cty.Number}},
	Type:   function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		p, err := network(args[0].AsString())
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		bits, err := bitCount(args[1])
		if err != nil {
			return cty.NilVal, function.NewArgError(1, err)
		}
		n, err := whole(args[2])
		if err != nil {
			return cty.NilVal, function.NewArgError(2, err)
		}
		sub, err := subnet(p, bits, n)
		if err != nil {
			return cty.NilVal, err
		}
		return cty.StringVal(sub.String()), nil
	},
})

var cidrsubnetsFunc = function.New(&function.Spec{
	Params:   []function.Parameter{{Name: "prefix", Type: cty.String}},
	VarParam: &function.Parameter{Name: "newbits", Type: cty.Number},
	Type:     function.StaticReturnType(cty.List(cty.String)),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		p, err := network(args[0].AsString())
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		var subnets []string
		next := new(big.Int) // the first address that is free, counted from the network's
		for i, arg := range args[1:] {
			bits, err := bitCount(arg)
			if err != nil {
				return cty.NilVal, function.NewArgError(i+1, err)
			}
			host := p.Addr().BitLen() - p.Bits() - bits
			if host < 0 {
				return cty.NilVal, function.NewArgErrorf(i+1, "a prefix of %d bits cannot be made longer by %d", p.Bits(), bits)
			}
			size := new(big.Int).Lsh(big.NewInt(1), uint(host))
			number := new(big.Int).Div(new(big.Int).Add(next, new(big.Int).Sub(size, big.NewInt(1))), size)
			sub, err := subnet(p, bits, number)
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(i+1, "the network has no room for this subnet")
			}
			subnets = append(subnets, sub.String())
			next.Mul(new(big.Int).Add(number, big.NewInt(1)), size)
		}
		return stringList(subnets), nil
	},
})
