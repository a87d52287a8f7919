; flowar-criteria: one rotated pair: its length is kept, so norms bound logits under RoPE
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const c Real)
(declare-const q1 Real)
(declare-const q2 Real)
(declare-const s Real)
(assert (= (+ (* c c) (* s s)) 1.0))
; the conclusion, negated
(assert (not (= (+ (* (+ (* c q1) (* (- 1.0) q2 s)) (+ (* c q1) (* (- 1.0) q2 s))) (* (+ (* c q2) (* q1 s)) (+ (* c q2) (* q1 s)))) (+ (* q1 q1) (* q2 q2)))))
(check-sat)
