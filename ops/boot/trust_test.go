package boot

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"aead.dev/minisign"

	"holdfast/flash"
	"holdfast/flash/signature"
	"holdfast/ops"
	"holdfast/ops/status"
)

// TestRequireSignature: where signatures are required, an image without one is refused when the boot is
// planned, and one with a stranger's before anything is loaded.
func TestRequireSignature(t *testing.T) {
	public, private, err := minisign.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := signature.ParseKey("release", []byte(public.String()))
	if err != nil {
		t.Fatal(err)
	}
	r := report(t, func(m fstest.MapFS) {
		text := fmt.Appendf(nil, "%x  kernel.img\n", sha256.Sum256(m["system/backup/kernel.img"].Data))
		m["system/backup/SHA256SUMS"] = &fstest.MapFile{Data: text}
		m["system/backup/"+flash.SignatureFile] = &fstest.MapFile{Data: minisign.Sign(private, text)}
	})
	again := func(trust signature.Trust) *status.Report {
		trust.Require = true
		target := r.Target
		target.Trust = trust
		r, err := status.Read(target)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	signer, nobody := signature.Trust{Keys: []signature.Key{key}}, signature.Trust{}

	if _, err := (Request{Report: again(signer), Image: "active"}).Plan(); ops.ExitCode(err) != int(ops.Invalid) || err.Error() != "active: "+status.Unsigned {
		t.Errorf("not signed: Plan = %v, exit code %d", err, ops.ExitCode(err))
	}
	for _, tt := range []struct {
		name  string
		trust signature.Trust
		boots bool
	}{{"signed", signer, true}, {"signed by a stranger", nobody, false}} {
		p, err := Request{Report: again(tt.trust), Image: "backup"}.Plan()
		if err != nil {
			t.Fatal(err)
		}
		m := &machine{failAt: "jump"}
		err = p.Apply(context.Background(), m, ops.Discard)
		if refused := strings.Contains(fmt.Sprint(err), status.Unsigned); refused == tt.boots || (m.line != "") != tt.boots {
			t.Errorf("%s: Apply = %v, loaded %q", tt.name, err, m.line)
		}
	}
}
