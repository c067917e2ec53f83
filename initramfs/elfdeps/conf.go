package elfdeps

import (
	"os"
	"path/filepath"
	"strings"
)

// maxInclude is how deep files of ld.so.conf may include each other.
const maxInclude = 8

// readConf gives the directories of an ld.so.conf(5): one a line, '#' starts a comment, "include" names
// files by patterns relative to its own directory. Unreadable files are passed over, as by ldconfig.
func readConf(file string, depth int) []string {
	text, err := os.ReadFile(file)
	if err != nil || depth > maxInclude {
		return nil
	}
	var dirs []string
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || words[0] == "hwcap":
		case words[0] == "include":
			for _, pattern := range words[1:] {
				if !filepath.IsAbs(pattern) {
					pattern = filepath.Join(filepath.Dir(file), pattern)
				}
				files, _ := filepath.Glob(pattern) // sorted; the only error is a bad pattern
				for _, f := range files {
					dirs = append(dirs, readConf(f, depth+1)...)
				}
			}
		default:
			dirs = append(dirs, filepath.Clean(words[0]))
		}
	}
	return dirs
}
