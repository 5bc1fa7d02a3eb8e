/** What is said when expressions cost too much together. */
export const outOfBudgetText = 'validation failed due to running out of cost budget, no further validation rules will be run';
