; merge-parts: and too small by as much at most
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const p Real)
(declare-const r1 Real)
(declare-const u Real)
(assert (>= p 0.0))
(assert (<= p 1.0))
(assert (>= u 1.0))
(assert (> r1 0.0))
(assert (<= r1 u))
(assert (>= (* r1 u) 1.0))
; the conclusion, negated
(assert (not (<= (+ 1.0 (* (- 1.0) r1)) (* (+ (- 1.0) u) (+ p (* r1 (+ 1.0 (* (- 1.0) p))))))))
(check-sat)
