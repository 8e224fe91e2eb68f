package nodeset

import (
	"cmp"
	"slices"
	"strings"
)

// Fold writes names as one pattern, sorted, each once: Expand(Fold(names)) gives the same set of names. Names that differ in more than
// one number fold where the whole block is there (r[1-2]n[1-4]). A name with a bracket, a comma or a blank in it cannot be
// said in a pattern; it is kept as it is.
func Fold(names []string) string {
	sorted := slices.Clone(names)
	slices.SortFunc(sorted, Compare)
	sorted = slices.Compact(sorted)

	// Names of the same shape (the text between their numbers) can share brackets.
	var shapes []string
	blocks := map[string][]block{}
	for _, name := range sorted {
		shape, b := split(name)
		if _, ok := blocks[shape]; !ok {
			shapes = append(shapes, shape)
		}
		blocks[shape] = append(blocks[shape], b)
	}
	var out []string
	for _, shape := range shapes {
		same := blocks[shape]
		for dim := len(same[0].numbers) - 1; dim >= 0; dim-- {
			same = merge(same, dim)
		}
		for _, b := range same {
			out = append(out, b.String())
		}
	}
	return strings.Join(out, ",")
}

// Compare orders names as a person does: node2 before node10. It is a total order: equal names alone give 0.
func Compare(a, b string) int {
	x, y := a, b
	for x != "" && y != "" {
		var p, q string
		p, x = piece(x)
		q, y = piece(y)
		if number(p) && number(q) {
			if c := compareNumbers(p, q); c != 0 {
				return c
			}
			continue
		}
		if c := cmp.Compare(p, q); c != 0 {
			return c
		}
	}
	if c := cmp.Compare(len(x), len(y)); c != 0 {
		return c
	}
	return cmp.Compare(a, b)
}

// piece cuts the first run of digits, or of anything else, off a text that is not empty.
func piece(s string) (first, rest string) {
	digit := isDigit(s[0])
	end := 1
	for end < len(s) && isDigit(s[end]) == digit {
		end++
	}
	return s[:end], s[end:]
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// compareNumbers orders digits by what they say, however long they are.
func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

// A block is every combination of the numbers at each place between the texts; len(text) is len(numbers)+1.
type block struct {
	text    []string
	numbers [][]string
}

// split cuts a name into texts and numbers; the shape is equal for names with the same texts.
func split(name string) (shape string, b block) {
	if strings.ContainsAny(name, "[], \t\r\n") {
		return name, block{text: []string{name}}
	}
	text := ""
	for rest := name; rest != ""; {
		var p string
		p, rest = piece(rest)
		if !number(p) || len(p) > maxDigits {
			text += p
			continue
		}
		b.text = append(b.text, text)
		b.numbers = append(b.numbers, []string{p})
		text = ""
	}
	b.text = append(b.text, text)
	return strings.Join(b.text, "["), b
}

// merge joins the blocks that differ at place dim alone, each into the first of them.
func merge(blocks []block, dim int) []block {
	var out []block
	index := map[string]int{}
	for _, b := range blocks {
		key := b.without(dim)
		if i, ok := index[key]; ok {
			out[i].numbers[dim] = append(out[i].numbers[dim], b.numbers[dim]...)
			continue
		}
		index[key] = len(out)
		out = append(out, b)
	}
	return out
}

// without is equal for blocks with the same numbers everywhere but at dim.
func (b block) without(dim int) string {
	var s strings.Builder
	for i, numbers := range b.numbers {
		if i != dim {
			s.WriteString(strings.Join(numbers, ","))
		}
		s.WriteByte(']')
	}
	return s.String()
}

// String is the block as a pattern.
func (b block) String() string {
	var s strings.Builder
	for i, numbers := range b.numbers {
		s.WriteString(b.text[i])
		if len(numbers) == 1 {
			s.WriteString(numbers[0])
		} else {
			s.WriteString("[" + ranges(numbers) + "]")
		}
	}
	s.WriteString(b.text[len(b.text)-1])
	return s.String()
}

// ranges writes numbers as a list of ranges.
func ranges(numbers []string) string {
	width := widths(numbers)
	slices.SortFunc(numbers, func(a, b string) int {
		return cmp.Or(cmp.Compare(width(a), width(b)), cmp.Compare(value(a), value(b)))
	})
	var out []string
	for i := 0; i < len(numbers); {
		first, last := i, i
		for last+1 < len(numbers) && numbers[last+1] == format(value(numbers[last])+1, padding(numbers[first])) {
			last++
		}
		if first == last {
			out = append(out, numbers[first])
		} else {
			out = append(out, numbers[first]+"-"+numbers[last])
		}
		i = last + 1
	}
	return strings.Join(out, ",")
}

// widths tells for a number the padding of the series it belongs to: 100 goes on after 099, and after 99 too.
func widths(numbers []string) func(string) int {
	var padded []int
	for _, n := range numbers {
		if w := padding(n); w != 0 && !slices.Contains(padded, w) {
			padded = append(padded, w)
		}
	}
	return func(n string) int {
		best := 0
		for _, w := range padded {
			if w <= len(n) && w > best {
				best = w
			}
		}
		return best
	}
}
