package tui
import ("testing";"fmt";"os";"github.com/charmbracelet/x/ansi")
func TestPreview(t *testing.T) {
	var w,h int
	fmt.Sscanf(os.Getenv("SIZE"), "%dx%d", &w,&h)
	if w==0 { t.Skip() }
	show := func(name string, m *root) { fmt.Printf("##### %s\n%s", name, ansi.Strip(frameText(m))) }
	r := without(damaged(report(),"backup"),"factory")
	m,_ := newScreen(t, serial, snapshot(report()), w,h)
	show("images", m)
	m,_ = newScreen(t, vga, snapshot(r), w,h); press(m,"down")
	show("damaged", m)
	press(m,"enter"); show("details", m)
	press(m,"b"); show("refused", m)
	m,_ = newScreen(t, serial, snapshot(staged(report(),30)), w,h); press(m,"end"); show("staged", m)
	press(m,"home","b"); show("boot", m)
	press(m,"l"); show("logs", m)
	press(m,"?"); show("help", m)
	press(m,"q"); show("leave", m)
	press(m,"down","down","enter"); show("leave ask", m)
	s := snapshot(report()); s.Countdown=&Countdown{Image:"active 1.3.124",Why:"the boot default",Left:5}
	m,_ = newScreen(t, serial, s, w,h); show("countdown", m)
	s = snapshot(report()); s.Action=&Action{Console:"ttyS0",Image:"active"}; s.Action.Progress.Step="check active"; s.Action.Progress.Done=20;s.Action.Progress.Total=60
	m,_ = newScreen(t, vga, s, w,h); show("other acts", m); press(m,"b"); show("boot other", m)
	s = &Snapshot{Target:Target{Problem:"no partition holds system/ or sys/ with cfg/ beside it"}}
	m,_ = newScreen(t, serial, s, w,h); show("problem", m)
}
