; flowar-wrap: no partner: the output stays below 3/8 - 0.115
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const J Real)
(declare-const J0 Real)
(declare-const R Real)
(declare-const val Real)
(assert (>= R 0.0))
(assert (<= (* 3.0 R) 1.0))
(assert (>= J 0.0))
(assert (>= J0 0.0))
(assert (<= J (/ 1.0 100.0)))
(assert (<= J0 (/ 1.0 100.0)))
(assert (<= (* 2.0 val) (/ 2705.0 1024.0)))
; the conclusion, negated
(assert (not (< (+ R (* J val)) (+ (/ 13.0 50.0) (* (/ 13.0 50.0) J0) (* (/ 13.0 50.0) R)))))
(check-sat)
