package lab

import (
	"crypto/rand"
	"strconv"
	"strings"
	"time"
)

// parseSize reads a number with the suffixes that coreutils know: K is 1024, KB is 1000, and so on.
func parseSize(text string) (int64, bool) {
	digits := strings.TrimRight(text, "bckKMGTPEiBw")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 {
		return 0, false
	}
	unit := text[len(digits):]
	switch unit {
	case "", "c":
		return n, true
	case "b":
		return n * 512, true
	case "w":
		return n * 2, true
	}
	power := strings.IndexByte("KMGTPE", strings.ToUpper(unit)[0])
	if power < 0 {
		return 0, false
	}
	base := int64(1024)
	switch unit[1:] {
	case "", "iB":
	case "B":
		base = 1000
	default:
		return 0, false
	}
	for range power + 1 {
		n *= base
	}
	return n, true
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

func randomLetters(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	for i := range b {
		b[i] = letters[int(b[i])%len(letters)]
	}
	return string(b)
}

// parseDate reads the forms of dates that scripts use: @seconds, ISO dates, now, yesterday, and "N units ago".
func parseDate(text string, now time.Time) (time.Time, bool) {
	if seconds, ok := strings.CutPrefix(text, "@"); ok {
		n, err := strconv.ParseFloat(seconds, 64)
		return time.Unix(0, int64(n*1e9)), err == nil
	}
	for _, layout := range []string{
		time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05.999999999 -0700", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02", "200601021504.05", "200601021504",
	} {
		if t, err := time.ParseInLocation(layout, text, time.UTC); err == nil {
			return t, true
		}
	}
	switch text {
	case "now", "today":
		return now, true
	case "yesterday":
		return now.AddDate(0, 0, -1), true
	case "tomorrow":
		return now.AddDate(0, 0, 1), true
	}
	words := strings.Fields(text)
	sign := 1
	if len(words) == 3 && words[2] == "ago" {
		sign, words = -1, words[:2]
	}
	if len(words) != 2 {
		return now, false
	}
	n, err := strconv.Atoi(words[0])
	units := map[string]time.Duration{"second": time.Second, "sec": time.Second, "minute": time.Minute, "min": time.Minute, "hour": time.Hour, "day": 24 * time.Hour, "week": 7 * 24 * time.Hour}
	unit, ok := units[strings.TrimSuffix(words[1], "s")]
	return now.Add(time.Duration(sign*n) * unit), err == nil && ok
}
