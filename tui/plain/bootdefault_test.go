package plain

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"holdfast/ops"
	"holdfast/ops/grubdefault"
)

const menuList = `default saved
fallback 2 4
title Active image
savedefault 1
kernel (hd0,1)/system/active/kernel.img quiet
title Active image (retry)
savedefault 4
kernel (hd0,1)/system/active/kernel.img quiet
title Backup image
savedefault 4
kernel (hd0,1)/system/backup/kernel.img quiet
title Other system
savedefault 4
kernel (hd0,2)/vmlinuz quiet
title Maintenance console
savedefault 4
kernel (hd0,0)/firmware/kernel.img
`

// paper is a change that is written nowhere.
type paper struct {
	entry   string
	written *[]string
}

func (p paper) Lines() []ops.Line {
	return []ops.Line{{Label: "default", Text: "0 -> " + p.entry}, {Label: "note", Text: "\x1b[31mred\x07"}}
}
func (p paper) Nothing() bool { return p.entry == "0" }
func (p paper) Apply(context.Context, ops.Reporter) error {
	if p.entry == "3" {
		return &ops.Error{Kind: ops.NotWritable, Err: errors.New("the disk is read-only"), Hint: "try another"}
	}
	*p.written = append(*p.written, p.entry)
	return nil
}

func TestChangeDefault(t *testing.T) {
	for _, c := range []struct {
		name, keys string
		want       []string // printed, in this order
		written    []string
	}{
		{"list", "4\n\n", []string{
			"  1  active       \"Active image\", 1.3.124\n",
			"  2  backup       \"Backup image\": kernel.img: not a bzImage",
			"  3  -            \"Other system\"\n",
			"  4  maintenance  \"Maintenance console\"\n",
			"Number of what boots by itself, or Enter to go back: "}, nil},
		{"yes", "4\n4\nyes\n", []string{"default  0 -> 4\n", "note     ?[31mred?\n", "Type yes to change it", "The boot default is changed."}, []string{"4"}},
		{"no", "4\n4\ny\n", []string{"default  0 -> 4\n", "Nothing was done."}, nil},
		{"end", "4\n4\nyes", nil, nil},
		{"same", "4\n1\nyes\n", []string{"There is nothing to change.", "There is no such number."}, nil},
		{"refused", "4\n2\nyes\n", []string{"not changed: backup cannot boot\n", "hint: choose active\n"}, nil},
		{"fails", "4\n3\nyes\n", []string{"it failed: the disk is read-only\n", "hint: try another\n"}, nil},
		{"noise", "4\n9\n4\nx\n4\n-1\n", []string{"There is no such number."}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			var written []string
			o := options()
			o.In, o.Out = strings.NewReader(c.keys), &out
			m := &session{Options: o, ctx: t.Context(), lines: readLines(t.Context(), o.In)}
			m.planChange = func(r grubdefault.Request) (change, error) {
				if r.Entry == "2" {
					return nil, &ops.Error{Kind: ops.Refused, Err: errors.New("backup cannot boot"), Hint: "choose active"}
				}
				return paper{r.Entry, &written}, nil
			}
			m.run()
			rest := out.String()
			for _, want := range c.want {
				_, after, ok := strings.Cut(rest, want)
				if !ok {
					t.Errorf("printed\n%s\nwithout %q in its place", out.String(), want)
				}
				rest = after
			}
			if !slices.Equal(written, c.written) {
				t.Errorf("wrote %q, want %q", written, c.written)
			}
		})
	}
}
