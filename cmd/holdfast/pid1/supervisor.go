package pid1

import (
	"os"
	"time"
)

// handle is a job that runs.
type handle struct {
	done <-chan outcome // gives its status, once
	stop func()         // asks it to end; it may take a while, or have ended already
}

// supervisor carries out what the policy orders. All of it happens in the goroutine of run; what
// comes from outside comes by channels.
type supervisor struct {
	policy  *policy
	start   func(job) (handle, error)
	now     func() time.Time
	signals <-chan os.Signal
	report  func(line string) // a fact for the log
	crashed func(reason string)

	handles map[job]handle
	ended   chan endOfJob
	due     chan job
}

type endOfJob struct {
	job     job
	outcome outcome
	started time.Time
}

// run carries out the first orders, calls started, and carries out what follows, until somebody
// asks for the end of the stage.
func (s *supervisor) run(first []order, started func()) ending {
	s.handles = map[job]handle{}
	// Buffered for all that may still be on its way when run returns and nobody receives any more.
	s.ended, s.due = make(chan endOfJob, 64), make(chan job, 64)
	s.carryOut(first)
	started()
	for {
		select {
		case e := <-s.ended:
			delete(s.handles, e.job)
			s.report(e.job.String() + ": " + e.outcome.String())
			reason := s.policy.reason
			orders, end := s.policy.ended(e.job, e.outcome, s.now().Sub(e.started), s.now())
			if s.policy.reason != reason {
				s.crashed(s.policy.reason)
			}
			if end != stay {
				s.report(end.String() + ": asked for by the " + e.job.String())
				return end
			}
			s.carryOut(orders)
		case j := <-s.due:
			// It may have been started in the meantime by another order.
			if _, runs := s.handles[j]; !runs && s.policy.wants(j) {
				s.launch(j)
			}
		case sig := <-s.signals:
			if end := meaning(sig); end != stay {
				s.report(end.String() + ": signal " + sig.String())
				return end
			}
		}
	}
}

func (s *supervisor) carryOut(orders []order) {
	for _, o := range orders {
		switch {
		case o.stop:
			s.stop(o.job)
		case o.after > 0:
			time.AfterFunc(o.after, func() { s.due <- o.job })
		default:
			s.launch(o.job)
		}
	}
}

// stop ends a job. One that waits for its turn ends here and now.
func (s *supervisor) stop(j job) {
	if h, ok := s.handles[j]; ok {
		h.stop()
		return
	}
	s.ended <- endOfJob{job: j, outcome: exited(0), started: s.now()}
}

// launch starts a job. One that cannot be started has ended.
func (s *supervisor) launch(j job) {
	started := s.now()
	h, err := s.start(j)
	if err != nil {
		s.ended <- endOfJob{j, outcome{err: err}, started}
		return
	}
	s.handles[j] = h
	go func() { s.ended <- endOfJob{j, <-h.done, started} }()
}
