; ensemble-forms: t^2/(1 + t^2) has slope at most 0.6496
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const t Real)
(assert (>= t 0.0))
; the conclusion, negated
(assert (not (<= (* 2.0 t) (* (/ 406.0 625.0) (* (+ 1.0 (* t t)) (+ 1.0 (* t t)))))))
(check-sat)
