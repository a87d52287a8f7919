; loop-stages: tau (1 + (8 - 6 tau) a - (12 tau - 9 tau^2) a^2) <= 4/3 for a, tau in [0, 1]
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const a Real)
(declare-const tau Real)
(assert (>= a 0.0))
(assert (<= a 1.0))
(assert (>= tau 0.0))
(assert (<= tau 1.0))
; the conclusion, negated
(assert (not (<= (* tau (+ 1.0 (* a (+ 8.0 (* (- 6.0) tau))) (* (- 1.0) (* a a) (+ (* (- 9.0) (* tau tau)) (* 12.0 tau))))) (/ 4.0 3.0))))
(check-sat)
