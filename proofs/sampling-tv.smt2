; sampling-tv: two samples agree with probability >= (1-q)(1-w) >= 1 - q - w: errors add up
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const q Real)
(declare-const w Real)
(assert (>= q 0.0))
(assert (<= q 1.0))
(assert (>= w 0.0))
(assert (<= w 1.0))
; the conclusion, negated
(assert (not (>= (* (+ 1.0 (* (- 1.0) q)) (+ 1.0 (* (- 1.0) w))) (+ 1.0 (* (- 1.0) q) (* (- 1.0) w)))))
(check-sat)
