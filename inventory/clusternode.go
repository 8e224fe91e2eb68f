package inventory

import (
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"
	hcljson "github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"
)

// A clusterNode is one JSON value of a CVS cluster file, with its place. "NA" is null, {user-id} has been replaced, and comments are gone.
type clusterNode struct {
	path    string // container.runtime.args
	at      hcl.Range
	value   cty.Value        // text, number, bool or null; of the whole otherwise
	members []*clusterMember // of an object, in the order of the text
	items   []*clusterNode   // of a list
	kind    clusterKind
}

// A clusterMember is one key of an object with its value.
type clusterMember struct {
	name  string
	at    hcl.Range
	value *clusterNode
}

type clusterKind int

const (
	clusterPlain clusterKind = iota
	clusterObject
	clusterList
)

func (k clusterKind) String() string {
	return [...]string{"a plain value", "an object", "a list"}[k]
}

func (n *clusterNode) isNull() bool { return n.kind == clusterPlain && n.value.IsNull() }

// A clusterScan makes nodes of JSON. What has still to be filled in, and keys that come twice, are collected apart.
type clusterScan struct {
	env          func(string) (string, bool)
	placeholders hcl.Diagnostics
	duplicates   hcl.Diagnostics
}

// scanCluster reads JSON that parses. Nothing is given where there is an error.
func scanCluster(src []byte, name string, env func(string) (string, bool)) (*clusterNode, hcl.Diagnostics) {
	expr, diags := hcljson.ParseExpression(src, name)
	if diags.HasErrors() {
		return nil, diags
	}
	s := &clusterScan{env: env}
	root := s.node(expr, "")
	switch {
	case len(s.placeholders) > 0: // a template that was not filled in repeats its keys, too
		return nil, s.placeholders
	case len(s.duplicates) > 0:
		return nil, s.duplicates
	}
	return root, nil
}

func (s *clusterScan) node(expr hcl.Expression, path string) *clusterNode {
	n := &clusterNode{path: path, at: expr.Range()}
	if pairs, diags := hcl.ExprMap(expr); !diags.HasErrors() {
		s.object(n, pairs)
		return n
	}
	if items, diags := hcl.ExprList(expr); !diags.HasErrors() {
		n.kind = clusterList
		values := make([]cty.Value, len(items))
		for i, item := range items {
			inner := s.node(item, path)
			n.items = append(n.items, inner)
			values[i] = inner.value
		}
		n.value = cty.TupleVal(values)
		return n
	}
	n.value, _ = expr.Value(nil) // without a context a text is nothing but itself
	if n.value.Type() != cty.String || n.value.IsNull() {
		return n
	}
	switch text := s.fill(n.value.AsString(), path, n.at); text {
	case "NA":
		n.value = cty.NullVal(cty.String)
	default:
		n.value = cty.StringVal(text)
	}
	return n
}

func (s *clusterScan) object(n *clusterNode, pairs []hcl.KeyValuePair) {
	n.kind = clusterObject
	seen := map[string]hcl.Range{}
	values := map[string]cty.Value{}
	for _, pair := range pairs {
		key, _ := pair.Key.Value(nil)
		written, at := key.AsString(), pair.Key.Range()
		if strings.HasPrefix(written, "_") {
			continue
		}
		inner := strings.TrimPrefix(n.path+"."+written, ".")
		name := s.fill(written, inner, at)
		m := &clusterMember{name: name, at: at, value: s.node(pair.Value, inner)}
		if first, taken := seen[name]; taken {
			s.duplicates = append(s.duplicates, problem(at, "Duplicate key", "The key %q is there already, at %s. Take one of the two out.", inner, place(first)))
			continue
		}
		seen[name] = at
		values[name] = m.value.value
		n.members = append(n.members, m)
	}
	n.value = cty.ObjectVal(values)
}

var clusterPlaceholder = regexp.MustCompile(`(?i)<change[ _-]?me>|\$?\{[^{}]*\}`)

// fill puts the user's name in, and tells of what a person has to fill in. ${NAME} is a shell's, and none of these.
func (s *clusterScan) fill(text, path string, at hcl.Range) string {
	return clusterPlaceholder.ReplaceAllStringFunc(text, func(found string) string {
		switch {
		case strings.HasPrefix(found, "$"):
			return found
		case found != "{user-id}":
			s.placeholders = append(s.placeholders, problem(at, "Placeholder", "The key %q still has the placeholder %s. Put in what it stands for.", path, found))
			return found
		}
		for _, name := range []string{"USER", "LOGNAME"} {
			if user, ok := s.env(name); ok && user != "" {
				return user
			}
		}
		s.placeholders = append(s.placeholders, problem(at, "Unknown user",
			"The key %q has {user-id}, and neither USER nor LOGNAME is set in the environment. Set one of them, or write the name.", path))
		return found
	})
}
