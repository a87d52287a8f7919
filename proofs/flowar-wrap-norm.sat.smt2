; twin of flowar-wrap-norm: without its partner it has not
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const q1 Real)
(assert (= (* q1 (+ (- 1.0) (* q1 q1))) 0.0))
; the witness
(assert (= q1 0.0))
; the conclusion, negated
(assert (not (= (* q1 q1) 1.0)))
(check-sat)
(get-model)
