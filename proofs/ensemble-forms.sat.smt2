; twin of ensemble-forms: and does not fall where tau stands still
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const tau Real)
(declare-const total Real)
(declare-const z Real)
(assert (> tau 0.0))
(assert (<= tau total))
; the witness
(assert (= tau 1.0))
(assert (= total 1.0))
(assert (= z 1.0))
; the conclusion, negated
(assert (not (<= (* (* z z) (+ (* tau tau) (* z z))) (* (/ 99.0 100.0) (* z z) (+ (* total total) (* z z))))))
(check-sat)
(get-model)
