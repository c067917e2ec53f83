package signature

import (
	"cmp"
	"strings"
)

// Compare orders versions as people do: by their numbers and words (1.3.9 < 1.3.10, 1.3~rc1 < 1.3).
// The order is Debian's (deb-version(7)) without epochs: what follows the last hyphen decides last.
func Compare(a, b string) int {
	aMain, aRevision := split(a)
	bMain, bRevision := split(b)
	return cmp.Or(compare(aMain, bMain), compare(aRevision, bRevision))
}

func split(v string) (main, revision string) {
	if i := strings.LastIndexByte(v, '-'); i >= 0 {
		return v[:i], v[i+1:]
	}
	return v, ""
}

// compare takes words and numbers from the two by turns.
func compare(a, b string) int {
	for a != "" || b != "" {
		var aWord, bWord, aNumber, bNumber string
		aWord, a = take(a, false)
		bWord, b = take(b, false)
		aNumber, a = take(a, true)
		bNumber, b = take(b, true)
		if c := cmp.Or(compareWords(aWord, bWord), compareNumbers(aNumber, bNumber)); c != 0 {
			return c
		}
	}
	return 0
}

// take cuts the longest beginning of v that consists of digits, or of anything else.
func take(v string, digits bool) (taken, rest string) {
	i := 0
	for i < len(v) && isDigit(v[i]) == digits {
		i++
	}
	return v[:i], v[i:]
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func compareWords(a, b string) int {
	for i := range max(len(a), len(b)) {
		if c := cmp.Compare(weight(a, i), weight(b, i)); c != 0 {
			return c
		}
	}
	return 0
}

// weight orders a character of a word: the tilde, the end, letters, all others.
func weight(word string, i int) int {
	switch {
	case i >= len(word):
		return 0
	case word[i] == '~':
		return -1
	case 'a' <= word[i]|0x20 && word[i]|0x20 <= 'z':
		return int(word[i])
	}
	return int(word[i]) + 256
}

// compareNumbers compares without converting, for there is no bound to the digits of a version.
func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}
