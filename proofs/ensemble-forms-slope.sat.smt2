; twin of ensemble-forms-slope: 0.6494 is too little at t = 0.577
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const t Real)
(assert (>= t 0.0))
; the witness
(assert (= t (/ 577.0 1000.0)))
; the conclusion, negated
(assert (not (<= (* 2.0 t) (* (/ 3247.0 5000.0) (* (+ 1.0 (* t t)) (+ 1.0 (* t t)))))))
(check-sat)
(get-model)
