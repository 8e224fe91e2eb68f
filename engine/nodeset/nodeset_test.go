package nodeset_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cvsplay/engine/nodeset"
)

func TestExpand(t *testing.T) {
	for _, tc := range []struct{ pattern, want string }{
		{"", ""},
		{"  ", ""},
		{"head", "head"},
		{"node[1-3]", "node1 node2 node3"},
		{"node[001-003,020]", "node001 node002 node003 node020"},
		{"node[08-11]", "node08 node09 node10 node11"},
		{"node[8-11]", "node8 node9 node10 node11"},
		{"node[98-101]", "node98 node99 node100 node101"},
		{"node[98-100,0098]", "node98 node99 node100 node0098"},
		{"n[0-6/2]", "n0 n2 n4 n6"},
		{"n[00-07/3]", "n00 n03 n06"},
		{"n[5-5]", "n5"},
		{"r[1-2]n[1-2]", "r1n1 r1n2 r2n1 r2n2"},
		{"r[1-2]n[01,3]-ib", "r1n01-ib r1n3-ib r2n01-ib r2n3-ib"},
		{"a, b[1-2] ,\tc", "a b1 b2 c"},
		{"n[ 1 , 2 ]", "n1 n2"},
		{"[1-2]", "1 2"},
		{"n[1-2][3-4]", "n13 n14 n23 n24"},
		{"n[1-3],n2,n4", "n1 n2 n3 n4"},
		{"10.0.0.[9-10]", "10.0.0.9 10.0.0.10"},
		{"fe80::1", "fe80::1"},
		{"x[99999999999999999999]", "x99999999999999999999"},
	} {
		got, err := nodeset.Expand(tc.pattern)
		if err != nil || strings.Join(got, " ") != tc.want {
			t.Errorf("Expand(%q) = %q, %v; want %s", tc.pattern, got, err, tc.want)
		}
	}
}

func TestExpandErrors(t *testing.T) {
	for _, tc := range []struct {
		pattern string
		offset  int
		why     string
	}{
		{"n[1-3", 1, "a [ without its ]"},
		{"n1-3]", 4, "a ] without its ["},
		{"n[1-[2]]", 4, "inside of brackets"},
		{"n[]", 2, `"" is neither`},
		{"n[1,]", 4, `"" is neither`},
		{"n[a-c]", 2, `"a-c" is neither`},
		{"n[1,x]", 4, `"x" is neither`},
		{"n[-3]", 2, `"-3" is neither`},
		{"n[1-2-3]", 2, "neither"},
		{"n[3/2]", 2, "neither"},
		{"n[3-1]", 2, "leads nowhere"},
		{"n[1-3/0]", 2, "leads nowhere"},
		{"n[1-010]", 2, "different widths"},
		{"n[01-0010]", 2, "different widths"},
		{"a,,b", 2, "an empty name"},
		{",a", 0, "an empty name"},
		{"a,", 2, "an empty name"},
		{"a b", 0, "a blank inside a name"},
		{"n[1-100001]", 2, "more than 100000 names"},
		{"n[0-999999999999999999]", 2, "more than 100000 names"},
		{"n[1-1000][1-1000]", 10, "more than 100000 names"},
		{"n[1-60000],m[1-60000]", 11, "more than 100000 names"},
		{"n[1-9999999999999999999]", 2, "more than 18 digits"},
	} {
		got, err := nodeset.Expand(tc.pattern)
		var e *nodeset.Error
		if !errors.As(err, &e) {
			t.Errorf("Expand(%q) = %q, %v; want an error", tc.pattern, got, err)
			continue
		}
		if e.Offset != tc.offset || !strings.Contains(e.Why, tc.why) || e.Pattern != tc.pattern {
			t.Errorf("Expand(%q): %v (offset %d); want %q at %d", tc.pattern, err, e.Offset, tc.why, tc.offset)
		}
	}
	if names, err := nodeset.Expand("n[1-100000]"); err != nil || len(names) != nodeset.Max {
		t.Errorf("%d names, %v; want exactly Max", len(names), err)
	}
}

func TestFold(t *testing.T) {
	for _, tc := range []struct{ names, want string }{
		{"", ""},
		{"head", "head"},
		{"node7", "node7"},
		{"node001 node002 node003 node020", "node[001-003,020]"},
		{"node3 node1 node2 node1", "node[1-3]"},
		{"node1 node2", "node[1-2]"},
		{"node098 node099 node100 node101", "node[098-101]"},
		{"node98 node99 node100", "node[98-100]"},
		{"n01 n99 n100", "n[01,99-100]"},
		{"n1 n01 n2 n02", "n[1-2,01-02]"},
		{"r1n1 r1n2 r2n1 r2n2", "r[1-2]n[1-2]"},
		{"r1n1 r1n2 r2n1", "r1n[1-2],r2n1"},
		{"node1-ib0 node2-ib0 node1-ib1 node2-ib1", "node[1-2]-ib[0-1]"},
		{"head login2 login1 gpu10 gpu9", "gpu[9-10],head,login[1-2]"},
		{"10.0.0.2 10.0.0.1", "10.0.0.[1-2]"},
		{"n99999999999999999999 n99999999999999999998", "n99999999999999999998,n99999999999999999999"},
		{"odd[1] odd[2]", "odd[1],odd[2]"},
		{"1 2 3", "[1-3]"},
	} {
		if got := nodeset.Fold(strings.Fields(tc.names)); got != tc.want {
			t.Errorf("Fold(%s) = %s; want %s", tc.names, got, tc.want)
		}
	}
}

func TestFoldKeepsItsInput(t *testing.T) {
	names := []string{"b2", "b1", "a"}
	nodeset.Fold(names)
	if !slices.Equal(names, []string{"b2", "b1", "a"}) {
		t.Errorf("the caller's names became %q", names)
	}
}

func TestFoldThousand(t *testing.T) {
	var names []string
	for i := range 10_000 {
		names = append(names, fmt.Sprintf("node%05d", i))
	}
	if got := nodeset.Fold(names); got != "node[00000-09999]" {
		t.Errorf("got %.80s", got)
	}
}

// clusterNames are names as clusters have them: few shapes, numbers with and without padding, close to each other.
func clusterNames(t *rapid.T) []string {
	name := rapid.StringMatching(`(node|n|r[0-2]n)(0{0,2}[0-9]|9[89]|10[01]|0[12])(-ib[01])?`)
	odd := rapid.StringMatching(`[a-z0-9][a-z0-9.:_/-]{0,8}[0-9]{0,20}`)
	return rapid.SliceOf(rapid.OneOf(name, name, name, odd)).Draw(t, "names")
}

func TestExpandIsTheInverseOfFold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := clusterNames(t)
		pattern := nodeset.Fold(names)
		got, err := nodeset.Expand(pattern)
		if err != nil {
			t.Fatalf("Fold gave %s: %v", pattern, err)
		}
		if again := nodeset.Fold(got); again != pattern {
			t.Fatalf("Fold(Expand(%s)) = %s", pattern, again)
		}
		slices.Sort(names)
		slices.Sort(got)
		if want := slices.Compact(names); !slices.Equal(got, want) {
			t.Fatalf("%s stands for %q; want %q", pattern, got, want)
		}
	})
}

// A range as a person writes it: with padding, a step, several of them in a bracket and in a name, and numbers that come again.
func drawRange(t *rapid.T) (text string, values []string) {
	width := rapid.SampledFrom([]int{0, 0, 2, 4}).Draw(t, "width")
	var parts []string
	for range rapid.IntRange(1, 3).Draw(t, "ranges") {
		first, count := rapid.IntRange(0, 120).Draw(t, "first"), rapid.IntRange(1, 12).Draw(t, "count")
		step := rapid.SampledFrom([]int{1, 1, 2, 7}).Draw(t, "step")
		last := first + (count-1)*step
		for i := first; i <= last; i += step {
			values = append(values, fmt.Sprintf("%0*d", width, i))
		}
		switch {
		case count == 1:
			parts = append(parts, fmt.Sprintf("%0*d", width, first))
		case step == 1:
			parts = append(parts, fmt.Sprintf("%0*d-%0*d", width, first, width, last))
		default: // the last number need not be one of them
			parts = append(parts, fmt.Sprintf("%0*d-%0*d/%d", width, first, width, last+rapid.IntRange(0, step-1).Draw(t, "beyond"), step))
		}
	}
	return "[" + strings.Join(parts, ",") + "]", values
}

func TestExpandDoesAllThatIsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var terms, want []string
		for range rapid.IntRange(1, 3).Draw(t, "terms") {
			names, pattern := []string{"n"}, "n"
			for range rapid.IntRange(0, 2).Draw(t, "brackets") {
				text, values := drawRange(t)
				between := rapid.SampledFrom([]string{"", "-x", ".a"}).Draw(t, "between")
				pattern += text + between
				var longer []string
				for _, name := range names {
					for _, v := range values {
						longer = append(longer, name+v+between)
					}
				}
				names = longer
			}
			terms, want = append(terms, pattern), append(want, names...)
		}
		pattern := strings.Join(terms, ",")
		got, err := nodeset.Expand(pattern)
		if want = distinct(want); err != nil || !slices.Equal(got, want) {
			t.Fatalf("%s stands for %q, %v; want %q", pattern, got, err, want)
		}
		again, err := nodeset.Expand(nodeset.Fold(got))
		slices.Sort(again)
		slices.Sort(want)
		if err != nil || !slices.Equal(again, want) {
			t.Fatalf("%s folds to %s, which is %q, %v", pattern, nodeset.Fold(got), again, err)
		}
	})
}

// distinct leaves out what came before.
func distinct(names []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(names, func(name string) bool {
		was := seen[name]
		seen[name] = true
		return was
	})
}

func TestCompareIsATotalOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := clusterNames(t)
		sorted := slices.Clone(names)
		slices.SortFunc(sorted, nodeset.Compare)
		for i := range sorted {
			for j := range i {
				c := nodeset.Compare(sorted[j], sorted[i])
				if c > 0 || c != -nodeset.Compare(sorted[i], sorted[j]) || (c == 0) != (sorted[j] == sorted[i]) {
					t.Fatalf("Compare(%q, %q) = %d", sorted[j], sorted[i], c)
				}
			}
		}
	})
}

func FuzzExpand(f *testing.F) {
	for _, seed := range []string{"node[001-003,020]", "r[1-2]n[1-4/2],x", "n[", "[]", ",", "a b", "n[1-99999999999]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, pattern string) {
		names, err := nodeset.Expand(pattern)
		if err != nil && names != nil || len(names) > nodeset.Max {
			t.Fatalf("%d names, %v", len(names), err)
		}
	})
}
