package archive

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"holdfast/flash"
	"holdfast/flash/signature"
	"holdfast/ops"
)

// unsigned is why a machine that requires signatures refuses an image.
const unsigned = "this machine takes signed images only"

// notSigned is the error of an image that no known key has signed.
func notSigned(format string, args ...any) error {
	return &ops.Error{Kind: ops.Invalid, Step: signatureName, Err: fmt.Errorf(format, args...), Hint: signAgain}
}

// seen looks at what a member that is whole lets one say of the others, so that a bad archive is
// refused as early as can be.
func (t *taking) seen(name string) error {
	switch name {
	case sumsName:
		if err := t.readSums(); err != nil {
			return err
		}
		for other := range t.sums {
			if err := t.compare(other); err != nil {
				return err
			}
		}
		return t.verify()
	case signatureName:
		return t.verify()
	case argsName:
		t.image.Arguments = t.texts[argsName]
	case versionName, oldVersion:
		if err := t.readVersion(name); err != nil {
			return err
		}
	}
	return t.compare(name)
}

func (t *taking) readSums() error {
	m, err := flash.ParseManifest(strings.NewReader(t.texts[sumsName]), flash.SHA256)
	if err != nil {
		return invalid(sumsName, "%w", err)
	}
	t.want = map[string][]byte{}
	for _, s := range m.Sums {
		t.want[s.Name] = s.Hash
		t.image.Listed = append(t.image.Listed, s.Name)
	}
	t.image.ID = sha256.Sum256([]byte(t.texts[sumsName]))
	for name := range t.sums {
		if !t.vouched(name) {
			return invalid(name, "is not listed in %s", sumsName)
		}
	}
	return nil
}

// vouched reports whether SHA256SUMS lists a member, or need not: itself and its signature.
func (t *taking) vouched(name string) bool {
	return name == sumsName || name == signatureName || t.want[name] != nil
}

// allSized reports whether the sizes of all members are known: the manifest says which there will be.
func (t *taking) allSized() bool {
	for name := range t.want {
		if _, ok := t.image.Sizes[name]; !ok {
			return false
		}
	}
	return t.want != nil
}

// compare holds a member's hash against SHA256SUMS, once that is there.
func (t *taking) compare(name string) error {
	if want := t.want[name]; want != nil && !bytes.Equal(want, t.sums[name].sha256) {
		return invalid(name, "hash differs")
	}
	return nil
}

// readVersion reads kernel.ver, and system.ver where there is no kernel.ver.
func (t *taking) readVersion(name string) error {
	version := strings.TrimSpace(t.texts[name])
	if err := CheckVersion(version); err != nil {
		return invalid(name, "%w", err)
	}
	if name == versionName || t.image.Version == "" {
		t.image.Version = version
	}
	return t.agree()
}

// verify checks the signature once the manifest is there too.
func (t *taking) verify() error {
	text, ok := t.texts[signatureName]
	if !ok || t.want == nil {
		return nil
	}
	said, err := t.trust.Verify([]byte(t.texts[sumsName]), []byte(text))
	switch {
	case errors.Is(err, signature.ErrUnknownKey) && t.trust.Require:
		return notSigned("%w: %s", err, unsigned)
	case errors.Is(err, signature.ErrUnknownKey):
		t.image.Notes = append(t.image.Notes, err.Error())
		return nil
	case err != nil:
		return invalid(signatureName, "%w", err)
	}
	t.image.Signature = said
	return t.agree()
}

// agree holds the version that was signed against the one that the image says.
func (t *taking) agree() error {
	signed, says := t.image.Signature.Version, t.image.Version
	if signed != "" && says != "" && signed != says {
		return invalid(signatureName, "is for version %s, the image says %s", shown(signed), shown(says))
	}
	return nil
}

// judge judges the whole.
func (t *taking) judge() error {
	if _, ok := t.sums[kernelName]; !ok {
		return invalid(kernelName, "is missing")
	}
	if size, ok := t.image.Sizes[initrdName]; ok {
		if err := t.image.Header.CheckInitrd(size); err != nil {
			return invalid(initrdName, "%w", err)
		}
	}
	integrity, err := t.integrity()
	if err != nil {
		return err
	}
	if integrity != flash.Verified && t.trust.Require {
		return notSigned("is missing: %s", unsigned)
	}
	if s := t.image.Signature; s.Version != "" && t.image.Version == "" {
		return invalid(versionName, "is missing; the signature is for version %s", shown(s.Version))
	}
	t.image.Integrity = integrity
	t.known()
	return nil
}

// integrity is what the manifest says of all members.
func (t *taking) integrity() (flash.Integrity, error) {
	_, signed := t.texts[signatureName]
	_, old := t.texts[oldSums]
	switch {
	case t.want != nil:
		for _, name := range slices.Sorted(maps.Keys(t.want)) {
			if _, ok := t.sums[name]; !ok {
				return 0, invalid(name, "is missing; %s lists it", sumsName)
			}
		}
		if t.image.Signature.Signer != "" {
			return flash.Verified, nil
		}
		return flash.Intact, nil
	case signed:
		return 0, invalid(signatureName, "is there without %s", sumsName)
	case old:
		return flash.Intact, t.compareOld()
	}
	return flash.Unchecked, nil
}

// compareOld holds all members against system.sig.
func (t *taking) compareOld() error {
	m, err := flash.ParseManifest(strings.NewReader(t.texts[oldSums]), flash.MD5)
	if err != nil {
		return invalid(oldSums, "%w", err)
	}
	listed := map[string]bool{oldSums: true}
	for _, s := range m.Sums {
		have, ok := t.sums[s.Name]
		switch {
		case !ok:
			return invalid(s.Name, "is missing; %s lists it", oldSums)
		case !bytes.Equal(have.md5, s.Hash):
			return invalid(s.Name, "hash differs")
		}
		listed[s.Name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(t.sums)) {
		if !listed[name] {
			return invalid(name, "is not listed in %s", oldSums)
		}
	}
	t.image.ID = sha256.Sum256([]byte(t.texts[oldSums]))
	return nil
}

// known fills in what only the end, or the end of a Peek, tells.
func (t *taking) known() {
	if t.tree.top != nil {
		t.image.Folder = *t.tree.top
	}
	if t.image.ID.IsZero() && t.image.Integrity == flash.Unchecked {
		t.image.ID = t.contentID()
	}
}

// contentID is the ID of an image without a manifest, as package flash makes it of the same files.
func (t *taking) contentID() (id flash.ID) {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(t.image.Sizes)) {
		fmt.Fprintf(h, "%s %d\n", name, t.image.Sizes[name])
		head := t.heads[name]
		if bounds[name] > 0 {
			head = []byte(t.texts[name])
		}
		h.Write(head[:min(len(head), 64<<10)])
	}
	h.Sum(id[:0])
	return id
}
