; euler-gronwall: guidance g >= 1 makes 2g - 1 of an error that both velocities have
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const eps Real)
(declare-const g Real)
(declare-const v Real)
(declare-const w Real)
(assert (>= g 1.0))
(assert (>= eps 0.0))
(assert (<= v eps))
(assert (>= v (* (- 1.0) eps)))
(assert (<= w eps))
(assert (>= w (* (- 1.0) eps)))
; the conclusion, negated
(assert (not (and (<= (+ (* g v) (* (- 1.0) w (+ (- 1.0) g))) (* eps (+ (- 1.0) (* 2.0 g)))) (>= (+ (* g v) (* (- 1.0) w (+ (- 1.0) g))) (* (- 1.0) eps (+ (- 1.0) (* 2.0 g)))))))
(check-sat)
