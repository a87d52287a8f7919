; ensemble-forms: z^2/(tau^2 + z^2) does not grow with tau
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const tau Real)
(declare-const total Real)
(declare-const z Real)
(assert (> tau 0.0))
(assert (<= tau total))
; the conclusion, negated
(assert (not (<= (* (* z z) (+ (* tau tau) (* z z))) (* (* z z) (+ (* total total) (* z z))))))
(check-sat)
