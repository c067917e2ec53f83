package archive

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"holdfast/ops"
)

// Bounds on a server, so that nobody waits for one that is not there, or stalls, for ever.
const (
	connectFor   = 20 * time.Second
	answerFor    = 30 * time.Second
	stallFor     = 60 * time.Second
	maxRedirects = 5
)

// IsURL reports whether name is what URL takes.
func IsURL(name string) bool {
	lower := strings.ToLower(name)
	return strings.HasPrefix(lower, "http://") || strings.HasPrefix(lower, "https://")
}

// Named is the archive that an argument of a command names: a file, a URL, or "-" for in.
func Named(name string, in io.Reader) (Source, error) {
	switch {
	case name == "-":
		return Reader("standard input", in), nil
	case IsURL(name):
		return URL(name)
	}
	return File(name)
}

// URL is the archive at a place of the net. Nothing is asked for before Open, and every Open asks anew:
// a server does not wait while an operator reads a plan. Environment and proxies have no say.
func URL(address string) (Source, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || !IsURL(address) {
		return Source{}, &ops.Error{Kind: ops.Usage, Step: shown(address), Err: errors.New("no URL: want http://HOST/PATH or https://HOST/PATH")}
	}
	g := &getter{url: u, stall: stallFor}
	return Source{Name: u.Redacted(), Open: g.open, length: g.length}, nil
}

// getter asks for a URL.
type getter struct {
	url   *url.URL
	stall time.Duration
}

func (g *getter) client() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:           (&net.Dialer{Timeout: connectFor}).DialContext,
			TLSHandshakeTimeout:   connectFor,
			ResponseHeaderTimeout: answerFor,
			DisableCompression:    true, // the bytes of the archive, and no others
			DisableKeepAlives:     true,
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return fmt.Errorf("more than %d redirects", maxRedirects)
			}
			if via[0].URL.Scheme == "https" && r.URL.Scheme != "https" {
				return errors.New("a redirect from https to " + r.URL.Scheme)
			}
			return nil
		},
	}
}

func (g *getter) get(ctx context.Context) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, g.url.String(), nil)
	if err != nil {
		return nil, err
	}
	answer, err := g.client().Do(r)
	if err != nil {
		return nil, reason(err)
	}
	if answer.StatusCode != http.StatusOK {
		answer.Body.Close()
		return nil, fmt.Errorf("the server says %s", shownText(answer.Status))
	}
	return answer, nil
}

func (g *getter) open(ctx context.Context) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	answer, err := g.get(ctx)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	b := &body{ctx: ctx, cancel: cancel, in: answer.Body, length: answer.ContentLength, stall: g.stall}
	b.timer = time.AfterFunc(g.stall, func() { cancel(fmt.Errorf("nothing came for %v", g.stall)) })
	return b, nil
}

// length is how long an archive is that in reads, in bytes; 0 when the server does not say.
func (g *getter) length(in io.Reader) int64 {
	if b, ok := in.(*body); ok {
		return max(b.length, 0)
	}
	return 0
}

// body is what a server sends.
type body struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	in     io.ReadCloser
	timer  *time.Timer
	stall  time.Duration
	length int64 // -1 when not known
	n      int64
}

func (b *body) Read(p []byte) (int, error) {
	b.timer.Reset(b.stall)
	n, err := b.in.Read(p)
	b.n += int64(n)
	if err == nil || err == io.EOF {
		return n, err
	}
	if cause := context.Cause(b.ctx); cause != nil {
		err = cause
	}
	of := ""
	if b.length >= 0 {
		of = fmt.Sprintf(" of %d", b.length)
	}
	return n, fmt.Errorf("the connection broke after %d%s bytes: %w", b.n, of, err)
}

func (b *body) Close() error {
	b.timer.Stop()
	b.cancel(nil)
	return b.in.Close()
}

// reason is why a request failed, without the URL, which is said already.
func reason(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var authority x509.UnknownAuthorityError
	if errors.As(err, &authority) {
		return fmt.Errorf("%w (this machine knows no authorities; a signed image may come by http)", err)
	}
	return err
}

// shownText is a server's text as a terminal may have it.
func shownText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s[:min(len(s), 100)])
}
