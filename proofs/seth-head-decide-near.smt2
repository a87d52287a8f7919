; seth-head: an error above -1/8 keeps a row with a partner above 3/8
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const R Real)
(declare-const e Real)
(assert (>= R 1.0))
(assert (> e (- (/ 1.0 8.0))))
; the conclusion, negated
(assert (not (> (+ R (* e (+ 1.0 R))) (+ (/ 3.0 8.0) (* (/ 3.0 8.0) R)))))
(check-sat)
