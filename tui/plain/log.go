package plain

// page is how many lines of a log are shown at once: a screen of 24 without the question.
const page = 20

// showLog shows the end of the kernel's log, and more of it towards the beginning on request.
func (m *session) showLog() {
	lines, err := m.Kernel()
	if err != nil {
		m.printf("kernel log: %v\n", err)
	}
	for end := len(lines); end > 0; {
		start := max(end-page, 0)
		m.printf("\n")
		for _, l := range lines[start:end] {
			m.printf("[%12.6f] %s\n", l.At.Seconds(), l.Text)
		}
		end = start
		if end == 0 {
			m.printf("That is the beginning.\n")
			return
		}
		if answer, ok := m.ask("Enter for what was before, q to go back: "); !ok || answer != "" {
			return
		}
	}
}
