package archive

import (
	"path"
	"strings"
)

// The members that mean something here.
const (
	kernelName    = "kernel.img"
	initrdName    = "initrd.img"
	argsName      = "kernel.arg"
	versionName   = "kernel.ver"
	sumsName      = "SHA256SUMS"
	signatureName = "SHA256SUMS.minisig"
	oldVersion    = "system.ver" // Formilux
	oldSums       = "system.sig" // Formilux
)

// bounds are the known members, each with the bytes that it may have, as flash and signature read
// them; 0 is any size.
var bounds = map[string]int64{
	kernelName: 0, initrdName: 0,
	argsName: 16 << 10, versionName: 256, oldVersion: 256,
	sumsName: 64 << 10, oldSums: 64 << 10, signatureName: 10 << 10,
}

// tree is which paths there were.
type tree struct {
	top  *string // the one folder of all members, or "" when they are in none; nil before the first
	seen map[string]bool
}

// folder takes a folder: the top one, or "." itself.
func (t *tree) folder(p string) error {
	name := strings.TrimSuffix(strings.TrimPrefix(p, "./"), "/")
	if name == "" && strings.HasPrefix(p, ".") || name == "." {
		return nil
	}
	if err := checkPath(p, name); err != nil {
		return err
	}
	if strings.Contains(name, "/") {
		return invalid(p, "does not belong into an image")
	}
	return t.below(p, name)
}

// member gives the name of a plain file, without its folder.
func (t *tree) member(p string) (string, error) {
	clean := strings.TrimPrefix(p, "./")
	if err := checkPath(p, clean); err != nil {
		return "", err
	}
	folder, name := path.Split(clean)
	folder = strings.TrimSuffix(folder, "/")
	if _, known := bounds[name]; !known || strings.Contains(folder, "/") {
		return "", invalid(p, "does not belong into an image")
	}
	if err := t.below(p, folder); err != nil {
		return "", err
	}
	if t.seen[name] {
		return "", invalid(p, "is there twice")
	}
	t.seen[name] = true
	return name, nil
}

// checkPath refuses a path that leads out of the archive. clean is p as it is used.
func checkPath(p, clean string) error {
	if strings.HasPrefix(p, "/") {
		return invalid(p, "is an absolute path")
	}
	for part := range strings.SplitSeq(clean, "/") {
		switch part {
		case "..":
			return invalid(p, "leads out of the archive")
		case "", ".":
			return invalid(p, "does not belong into an image")
		}
	}
	return nil
}

// below holds that all members share one top folder, or have none.
func (t *tree) below(p, folder string) error {
	if t.top == nil {
		t.top = &folder
	}
	if *t.top != folder {
		return invalid(p, "is not beside the other members, which are in %s", top(*t.top))
	}
	return nil
}

func top(folder string) string {
	if folder == "" {
		return "no folder"
	}
	return "the folder " + shown(folder)
}
