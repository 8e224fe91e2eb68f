package eval

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// Suggest is the one among some names that was most likely meant; "" if none is near.
func Suggest(name string, among []string) string {
	best, distance := "", max(1, min(3, (len(name)+1)/3))+1
	for _, candidate := range among {
		if candidate == name {
			continue
		}
		d := levenshtein.Distance(strings.ToLower(name), strings.ToLower(candidate), nil)
		if d == 2 && letters(name) == letters(candidate) {
			d = 1 // two letters that have changed places are one slip
		}
		if d < distance {
			best, distance = candidate, d
		}
	}
	return best
}

// letters are the letters of a name in the order of the alphabet.
func letters(name string) string {
	sorted := []byte(strings.ToLower(name))
	slices.Sort(sorted)
	return string(sorted)
}

// DidYouMean is a sentence about the suggestion, with a blank before it so that it can follow another; "" if there is none.
func DidYouMean(name string, among []string) string {
	if best := Suggest(name, among); best != "" {
		return fmt.Sprintf(" Did you mean %q?", best)
	}
	return ""
}
